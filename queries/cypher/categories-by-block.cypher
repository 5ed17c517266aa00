// Categories by block
// How many units of each block are labelled with concepts of each category, and with how many concepts.
// $run: uid of a run
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)-[:HAS_UNIT]->(u:Unit)
WHERE u.named
OPTIONAL MATCH (u)-[d:DETECTS {rank: 0}]->(:Concept)
RETURN b.name AS block, u.category AS category, count(*) AS units,
  sum(CASE WHEN d.significant THEN 1 ELSE 0 END) AS significant,
  count(DISTINCT u.label) AS concepts
ORDER BY block, category
