// Classes that lean on a concept
// Picture: a concept, the blocks' views of it, and the classes for which it is evidence.
// $run: uid of a run
// $concept: a concept, as texture/grass
// $top: at most this many paths (default 10)
MATCH p = (:Concept {uid: $concept})<-[:IS]-(x:BlockConcept)-[e:EVIDENCE]->(c:Class)
WHERE x.run = $run AND e.mean > 0
RETURN p
ORDER BY e.mean DESC, c.uid, x.block
LIMIT $top
