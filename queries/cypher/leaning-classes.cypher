// Classes that lean on a concept
// The classes for which a concept is most evidence, over their images, each in the block where it is most.
// The run needs evidence (`conceptgraph evidence`); the strongest of each class are in the graph.
// $run: uid of a run
// $concept: a concept, as texture/grass
// $top: at most this many rows (default 10)
MATCH (:Concept {uid: $concept})<-[:IS]-(x:BlockConcept)-[e:EVIDENCE]->(c:Class)
WHERE x.run = $run AND e.mean > 0
WITH c, x, e
ORDER BY e.mean DESC, x.block
WITH c, collect(x.block) AS blocks, collect(e.mean) AS means, collect(e.low) AS lows,
  collect(e.high) AS highs, collect(e.share) AS shares, collect(e.coverage) AS coverages
RETURN substring(c.uid, size($run) + 1) AS uid, c.name AS name, blocks[0] AS block, means[0] AS mean,
  lows[0] AS low, highs[0] AS high, shares[0] AS share, coverages[0] AS coverage
ORDER BY mean DESC, uid
LIMIT $top
