// Strongest paths through four blocks
// Picture: the strongest paths from the first block to a class.
// Uses only the contributions stored in the graph; `conceptgraph why` finds the exact paths.
// $run: uid of a run
// $class: a class, as class/road
// $beam: only contributions of rank below this (default 8)
// $top: at most this many paths (default 10)
MATCH p = (c:Class {uid: $run + '/' + $class})<-[e4:CONTRIBUTES]-(u4:Unit)<-[e3:CONTRIBUTES]-(u3:Unit)
  <-[e2:CONTRIBUTES]-(u2:Unit)<-[e1:CONTRIBUTES]-(u1:Unit)
WHERE e4.share > 0 AND e4.rank < $beam AND e3.share > 0 AND e3.rank < $beam
  AND e2.share > 0 AND e2.rank < $beam AND e1.share > 0 AND e1.rank < $beam
WITH p, u1, u2, u3, u4, e4.share * e3.share * e2.share * e1.share AS score
ORDER BY score DESC, u1.uid, u2.uid, u3.uid, u4.uid
LIMIT $top
RETURN p
