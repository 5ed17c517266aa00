// Concepts
// The concepts that the run looked for, with the images and pixels that show them, and the IoU that
// a box in the middle of every image gets with them.
// $run: uid of a run
MATCH (:Run {uid: $run})-[h:HAS_CONCEPT]->(k:Concept)
RETURN k.uid AS uid, k.name AS name, k.category AS category, h.images AS images, h.pixels AS pixels,
  h.center_bias AS center_bias
ORDER BY k.uid
