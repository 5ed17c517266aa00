// Concepts that reach a class only through another
// Picture: a class, and the concepts that reach it for the most part by way of another.
// $run: uid of a run
// $class: a class, as class/road
// $share: at least this part (default 0.5)
// $coverage: only through what covers less than this share of the picture (default 0.8)
// $top: at most this many paths (default 10)
MATCH p = (:Class {uid: $run + '/' + $class})<-[:EVIDENCE]-(t:BlockConcept)<-[f:FLOWS]-(s:BlockConcept)
WHERE f.share >= $share AND t.coverage < $coverage
  AND (s.name <> t.name OR s.category <> t.category)
RETURN p
ORDER BY abs(f.mean) DESC, s.uid, t.uid
LIMIT $top
