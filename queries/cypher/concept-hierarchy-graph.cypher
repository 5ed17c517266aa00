// Concept hierarchy of a class
// Picture: a class, the concepts that carry it, and those of the block before through which they do.
// $run: uid of a run
// $class: a class, as class/road
// $category: of all concepts, such as object (default any)
// $top: at most this many paths (default 20)
MATCH p = (:Class {uid: $run + '/' + $class})<-[:FLOWS]-(t:Flow)<-[f:FLOWS]-(s:Flow)
WHERE $category = 'any' OR (s.category = $category AND t.category = $category)
RETURN p
ORDER BY f.rank
LIMIT $top
