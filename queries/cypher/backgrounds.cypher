// Backgrounds: classes that rest on other things
// For the classes that are concepts, too: other concepts whose evidence, over the class's images, exceeds
// that of the concept of the class's own name, as a pole that is recognised by the sky behind it.
// `own` is null if that concept is not among the strongest of the class, which are in the graph.
// The run needs evidence (`conceptgraph evidence`).
// $run: uid of a run
// $block: the block that sees them, as block3
// $coverage: only what covers less than this share of the picture (default 0.8)
// $top: at most this many rows (default 10)
MATCH (:Run {uid: $run})-[:HAS_CONCEPT]->(k:Concept)
WITH collect(k.name) AS names
MATCH (:Block {uid: $run + '/' + $block})-[:SEES]->(x:BlockConcept)-[e:EVIDENCE]->(c:Class)
WHERE c.name IN names
MATCH (x)-[:IS]->(k:Concept)
WITH c, max(CASE WHEN x.name = c.name THEN e.mean END) AS own, collect(k.uid) AS concepts,
  collect(x.name) AS seen, collect(e.mean) AS means, collect(e.coverage) AS coverages
UNWIND range(0, size(concepts) - 1) AS i
WITH c, own, concepts[i] AS concept, seen[i] AS name, means[i] AS mean, coverages[i] AS coverage
WHERE name <> c.name AND mean > coalesce(own, 0.0) AND coverage < $coverage
RETURN substring(c.uid, size($run) + 1) AS uid, c.name AS name, concept, mean, coverage, own,
  mean - coalesce(own, 0.0) AS difference
ORDER BY difference DESC, uid, concept
LIMIT $top
