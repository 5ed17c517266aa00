// Concepts of a saved explanation
// What the paths of an explanation contribute to the logit, by the label of their first unit.
// $run: uid of a run
// $explanation: a saved explanation, as image-explanations lists them
MATCH (:Explanation {uid: $run + '/' + $explanation})-[:HAS_PATH]->(p:Path)-[s:STEP]->(u:Unit)
WHERE s.position = 0
WITH CASE WHEN u.named THEN u.category + '/' + u.label END AS uid,
  CASE WHEN u.named THEN u.label END AS name,
  CASE WHEN u.named THEN u.category END AS category,
  p.contribution AS each
ORDER BY each
WITH uid, name, category, count(*) AS paths, sum(each) AS contribution
RETURN uid, name, category, paths, contribution
ORDER BY abs(contribution) DESC, coalesce(uid, '')
