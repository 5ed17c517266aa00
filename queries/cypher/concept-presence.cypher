// How well a concept can be read
// How well a probe of each block tells whether the concept is at a position, on held-out images: what "present" in an explanation is worth.
// $run: uid of a run
// $concept: a concept, as action/typing
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)<-[p:PROBED_AT]-(:Concept {uid: $concept})
RETURN b.name AS block, p.f1 AS f1, p.precision AS precision, p.recall AS recall,
  p.positions AS positions
ORDER BY b.name
