// Images with saved explanations
// The images that were explained, and how often.
// $run: uid of a run
MATCH (:Run {uid: $run})-[:HAS_CLASS]->(:Class)<-[:OF]-(x:Explanation)<-[:EXPLAINED_BY]-(i:Image)
WITH i, count(*) AS explanations
RETURN i.uid AS uid, i.path AS path, explanations
ORDER BY path, uid
