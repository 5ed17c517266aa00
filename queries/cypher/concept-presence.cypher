// Presence probes of a concept
// How well a presence probe of each block predicts where a concept is, on held-out images: how far
// "present" in an explanation can be trusted.
// $run: uid of a run
// $concept: a concept, as action/typing
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)<-[p:PROBED_AT]-(:Concept {uid: $concept})
RETURN b.name AS block, p.f1 AS f1, p.precision AS precision, p.recall AS recall,
  p.positions AS positions
ORDER BY b.name
