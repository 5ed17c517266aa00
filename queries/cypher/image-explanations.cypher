// Saved explanations of an image
// What was explained of an image: the class, its logit and probability, and how much of it the paths cover.
// $run: uid of a run
// $image: an image, as saved-images lists them
MATCH (:Image {uid: $image})-[:EXPLAINED_BY]->(x:Explanation)-[:OF]->(c:Class)<-[:HAS_CLASS]-(:Run {uid: $run})
RETURN substring(x.uid, size($run) + 1) AS uid, c.name AS class_name, x.versus AS versus, x.method AS method,
  x.logit AS logit, x.probability AS probability, x.coverage AS coverage
ORDER BY x.uid
