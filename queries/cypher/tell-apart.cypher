// Units that tell two classes apart
// The units that are evidence for one class and against another.
// Only contributions kept in the graph count: a unit that is missing may have a weight to one of the two
// classes that was not kept.
// $run: uid of a run
// $class: a class, as class/road
// $other: the class that they are evidence against, as class/sky
// $top: at most this many rows (default 10)
MATCH (c:Class {uid: $run + '/' + $class})<-[e:CONTRIBUTES]-(u:Unit)
  -[f:CONTRIBUTES]->(other:Class {uid: $run + '/' + $other})
WHERE e.weight > 0 AND f.weight < 0
RETURN substring(u.uid, size($run) + 1) AS unit,
  CASE WHEN u.named THEN u.label END AS concept,
  e.weight AS weight, f.weight AS other_weight, e.weight - f.weight AS difference
ORDER BY difference DESC, u.uid
LIMIT $top
