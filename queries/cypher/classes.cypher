// Classes
// The classes of the network.
// $run: uid of a run
MATCH (:Run {uid: $run})-[:HAS_CLASS]->(c:Class)
RETURN substring(c.uid, size($run) + 1) AS uid, c.name AS name
ORDER BY c.uid
