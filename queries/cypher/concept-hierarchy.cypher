// Concept hierarchy of a class
// The concepts that carry a class, and the concepts of the block before through which they do: the flows
// that tell most, over the images that the network takes for the class. What covers the picture tells
// little: a flow ranks by its mean, times the shares of the picture that its two concepts leave free.
// A concept that is null is none of the category. The run needs evidence (`conceptgraph evidence`); the
// first flows of each class are in the graph.
// $run: uid of a run
// $class: a class, as class/road
// $category: of all concepts, such as object (default any)
// $top: at most this many rows (default 20)
MATCH (:Class {uid: $run + '/' + $class})<-[e:FLOWS]-(t:Flow)<-[f:FLOWS]-(s:Flow)
WHERE $category = 'any' OR (s.category = $category AND t.category = $category)
RETURN s.concept AS source, s.category AS source_category, s.block AS source_block,
  t.concept AS target, t.category AS target_category, t.block AS target_block,
  f.mean AS mean, f.images AS images, e.mean AS evidence
ORDER BY f.rank
LIMIT $top
