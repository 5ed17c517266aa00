// Concepts that reach a class only through another
// Concepts whose evidence reaches a class, for the most part, by way of another concept of the next block:
// `share` is that part, of all that comes from the concept by way of that category or of none of it.
// The run needs evidence (`conceptgraph evidence`); the strongest of each class are in the graph.
// $run: uid of a run
// $class: a class, as class/road
// $share: at least this part (default 0.5)
// $coverage: only through what covers less than this share of the picture (default 0.8)
// $top: at most this many rows (default 10)
MATCH (:Class {uid: $run + '/' + $class})<-[:EVIDENCE]-(t:BlockConcept)<-[f:FLOWS]-(s:BlockConcept)
WHERE f.share >= $share AND t.coverage < $coverage
MATCH (s)-[:IS]->(a:Concept)
MATCH (t)-[:IS]->(b:Concept)
WHERE a.uid <> b.uid
RETURN a.uid AS source, s.block AS source_block, b.uid AS through, t.block AS through_block,
  f.mean AS mean, f.share AS share, f.images AS images
ORDER BY abs(f.mean) DESC, s.uid, t.uid
LIMIT $top
