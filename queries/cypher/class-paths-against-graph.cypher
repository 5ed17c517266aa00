// Strongest paths against a class
// Picture: the paths whose product of shares is most negative.
// Uses only the contributions stored in the graph; `conceptgraph why` finds the exact paths.
// $run: uid of a run
// $class: a class, as class/road
// $beam: only contributions of rank below this (default 1000)
// $top: at most this many paths (default 10)
MATCH p = (c:Class {uid: $run + '/' + $class})<-[e2:CONTRIBUTES]-(u2:Unit)<-[e1:CONTRIBUTES]-(u1:Unit)
WHERE e2.share < 0 AND e2.rank < $beam AND e1.share > 0 AND e1.rank < $beam
WITH p, u1, u2, e2.share * e1.share AS score
ORDER BY score, u1.uid, u2.uid
LIMIT $top
RETURN p
