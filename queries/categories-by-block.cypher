// Categories by block
// How many units of each block detect concepts of each category, and how many different concepts.
// $run: uid of a run
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(b:Block)-[:HAS_UNIT]->(u:Unit)
WHERE u.interpretable
RETURN b.name AS block, u.category AS category, count(*) AS units,
  count(DISTINCT u.label) AS concepts
ORDER BY block, category
