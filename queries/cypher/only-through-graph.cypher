// Concepts that reach a class only through another
// Picture: a class, and the concepts that reach it for the most part by way of another.
// $run: uid of a run
// $class: a class, as class/road
// $share: at least this part (default 0.5)
// $top: at most this many paths (default 10)
MATCH p = (:Class {uid: $run + '/' + $class})<-[:FLOWS]-(t:Flow)<-[f:FLOWS]-(s:Flow)
WHERE f.share >= $share AND s.concept <> t.concept
RETURN p
ORDER BY f.rank
LIMIT $top
