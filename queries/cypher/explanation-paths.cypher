// Paths of a saved explanation
// The strongest paths of one image's explanation, unit by unit, in units of the logit.
// $run: uid of a run
// $explanation: a saved explanation, as image-explanations lists them
// $top: at most this many paths (default 10)
MATCH (:Explanation {uid: $run + '/' + $explanation})-[:HAS_PATH]->(p:Path)
WITH p
ORDER BY p.rank, p.uid
LIMIT $top
MATCH (p)-[s:STEP]->(u:Unit)
RETURN p.rank AS rank, p.contribution AS contribution, p.measured AS measured,
  s.position AS position, substring(u.uid, size($run) + 1) AS unit,
  CASE WHEN u.named THEN u.label END AS concept
ORDER BY p.rank, p.uid, position, u.uid
