// Units that see motion
// Units of a run of clips whose maps differ most between a clip and the reversed clip (correlation near 1: they see no motion).
// $run: uid of a run
// $top: at most this many rows (default 20)
MATCH (:Run {uid: $run})-[:HAS_BLOCK]->(:Block)-[:HAS_UNIT]->(u:Unit)
WHERE u.reversed IS NOT NULL
RETURN substring(u.uid, size($run) + 1) AS unit, CASE WHEN u.named THEN u.label END AS concept,
  u.reversed AS reversed, u.frozen AS frozen
ORDER BY reversed, u.uid
LIMIT $top
