// Blocks in numbers
// How many units of each block are interpretable, how many of them by a significant label, how many have a
// name that holds, how many are sparse or dead, and how many concepts they are named after.
// $run: uid of a run
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)-[:HAS_UNIT]->(u:Unit)
OPTIONAL MATCH (u)-[d:DETECTS {rank: 0}]->(:Concept)
WITH b.name AS block, u.status AS status, u.interpretable AS interpretable, u.named AS named,
  u.interpretable AND d.significant AS significant,
  CASE WHEN u.named THEN u.category + '/' + u.label END AS concept
RETURN block, count(*) AS units,
  sum(CASE WHEN interpretable THEN 1 ELSE 0 END) AS interpretable,
  sum(CASE WHEN significant THEN 1 ELSE 0 END) AS significant,
  sum(CASE WHEN named THEN 1 ELSE 0 END) AS named,
  sum(CASE WHEN status = 'sparse' THEN 1 ELSE 0 END) AS sparse,
  sum(CASE WHEN status = 'dead' THEN 1 ELSE 0 END) AS dead,
  count(DISTINCT concept) AS concepts
ORDER BY block
