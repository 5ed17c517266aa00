// Presence probes of a concept
// How well a presence probe of each block predicts where a concept is, on held-out images: how far
// "present" in an explanation can be trusted. mcc is the Matthews correlation, which is 0 for a probe that always
// says yes, with its 95 % interval; explanations use a probe that is usable.
// $run: uid of a run
// $concept: a concept, as action/typing
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)<-[p:PROBED_AT]-(:Concept {uid: $concept})
RETURN b.name AS block, p.mcc AS mcc, p.mcc_low AS mcc_low, p.mcc_high AS mcc_high, p.usable AS usable,
  p.f1 AS f1, p.precision AS precision, p.recall AS recall,
  p.positions AS positions
ORDER BY b.name
