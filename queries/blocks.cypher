// Blocks in numbers
// How many units of each block are interpretable, sparse or dead, and how many concepts they detect.
// $run: uid of a run
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)-[:HAS_UNIT]->(u:Unit)
WITH b.name AS block, u.status AS status, u.interpretable AS named,
  CASE WHEN u.interpretable THEN u.category + '/' + u.label END AS concept
RETURN block, count(*) AS units,
  sum(CASE WHEN named THEN 1 ELSE 0 END) AS interpretable,
  sum(CASE WHEN status = 'sparse' THEN 1 ELSE 0 END) AS sparse,
  sum(CASE WHEN status = 'dead' THEN 1 ELSE 0 END) AS dead,
  count(DISTINCT concept) AS concepts
ORDER BY block
