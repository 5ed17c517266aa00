// Classes that a unit drives
// The classes that a unit of the last block is evidence for or against, the strongest first.
// Weights are those of the final layer.
// Only weights kept in the graph are listed, the strongest of each class: a class that is missing has a
// weight from this unit too, which was not kept.
// $run: uid of a run
// $unit: a unit, as block4/290
// $top: at most this many rows (default 10)
MATCH (:Unit {uid: $run + '/' + $unit})-[e:CONTRIBUTES]->(c:Class)
RETURN substring(c.uid, size($run) + 1) AS uid, c.name AS name, e.weight AS weight, e.share AS share, e.rank AS rank
ORDER BY abs(e.weight) DESC, c.uid
LIMIT $top
