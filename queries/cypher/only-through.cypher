// Concepts that reach a class only through another
// Concepts whose evidence reaches a class, for the most part, by way of another concept of the next block:
// `share` is that part, of all that comes from the concept by way of that category or of none of it.
// The run needs evidence (`conceptgraph evidence`); the first flows of each class are in the graph.
// $run: uid of a run
// $class: a class, as class/road
// $share: at least this part (default 0.5)
// $top: at most this many rows (default 10)
MATCH (:Class {uid: $run + '/' + $class})<-[:FLOWS]-(t:Flow)<-[f:FLOWS]-(s:Flow)
WHERE f.share >= $share AND s.concept <> t.concept
RETURN s.concept AS source, s.block AS source_block, t.concept AS through, t.block AS through_block,
  f.mean AS mean, f.share AS share, f.images AS images
ORDER BY f.rank
LIMIT $top
