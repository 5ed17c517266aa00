// Units that tell two classes apart
// Picture: two classes and the units between them.
// $run: uid of a run
// $class: a class, as class/road
// $other: the class that they are evidence against, as class/sky
// $top: at most this many paths (default 10)
MATCH p = (c:Class {uid: $run + '/' + $class})<-[e:CONTRIBUTES]-(u:Unit)
  -[f:CONTRIBUTES]->(other:Class {uid: $run + '/' + $other})
WHERE e.weight > 0 AND f.weight < 0
RETURN p
ORDER BY e.weight - f.weight DESC, u.uid
LIMIT $top
