// Paths of a saved explanation
// Picture: image, explanation, paths, units and class.
// $run: uid of a run
// $explanation: a saved explanation, as image-explanations lists them
// $top: at most this many paths (default 10)
MATCH of = (:Image)-[:EXPLAINED_BY]->(x:Explanation {uid: $run + '/' + $explanation})-[:OF]->(:Class)
MATCH (x)-[:HAS_PATH]->(p:Path)
WITH of, x, p
ORDER BY p.rank, p.uid
LIMIT $top
MATCH steps = (x)-[:HAS_PATH]->(p)-[:STEP]->(:Unit)
RETURN of, steps
LIMIT 100
