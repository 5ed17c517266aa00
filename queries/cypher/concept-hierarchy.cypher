// Concept hierarchy of a class
// The concepts that carry a class, and the concepts of the block before through which they do: the
// strongest flows between concepts, over the images that the network takes for the class. What covers the
// picture says little, so a flow counts by the shares of the picture that its two concepts leave free.
// The run needs evidence (`conceptgraph evidence`); the strongest of each class are in the graph.
// $run: uid of a run
// $class: a class, as class/road
// $category: of all concepts, such as object (default any)
// $top: at most this many rows (default 20)
MATCH (:Class {uid: $run + '/' + $class})<-[e:EVIDENCE]-(t:BlockConcept)<-[f:FLOWS]-(s:BlockConcept)
WHERE $category = 'any' OR (s.category = $category AND t.category = $category)
MATCH (s)-[:IS]->(a:Concept)
MATCH (t)-[:IS]->(b:Concept)
RETURN a.uid AS source, s.block AS source_block, b.uid AS target, t.block AS target_block,
  f.mean AS mean, f.images AS images, e.mean AS evidence
ORDER BY abs(f.mean) * (1 - s.coverage) * (1 - t.coverage) DESC, s.uid, t.uid
LIMIT $top
