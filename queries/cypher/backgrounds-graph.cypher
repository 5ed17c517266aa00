// Backgrounds: classes that rest on other things
// Picture: classes that are concepts, too, and the other concepts that are evidence for them.
// $run: uid of a run
// $block: the block that sees them, as block3
// $coverage: only what covers less than this share of the picture (default 0.8)
// $top: at most this many paths (default 10)
MATCH (:Run {uid: $run})-[:HAS_CONCEPT]->(k:Concept)
WITH collect(k.name) AS names
MATCH (:Block {uid: $run + '/' + $block})-[:SEES]->(x:BlockConcept)-[e:EVIDENCE]->(c:Class)
WHERE c.name IN names
WITH c, max(CASE WHEN x.name = c.name THEN e.mean END) AS own
MATCH p = (c)<-[e:EVIDENCE]-(x:BlockConcept)<-[:SEES]-(:Block {uid: $run + '/' + $block})
WHERE x.name <> c.name AND e.mean > coalesce(own, 0.0) AND e.coverage < $coverage
RETURN p
ORDER BY e.mean - coalesce(own, 0.0) DESC, c.uid, x.uid
LIMIT $top
