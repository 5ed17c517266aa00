// Concepts
// The concepts in the run's data, with the images and pixels that they label, and the IoU of the center-bias
// baseline (a centered box); source: by what its labels were made, none if people drew them.
// $run: uid of a run
MATCH (:Run {uid: $run})-[h:HAS_CONCEPT]->(k:Concept)
RETURN k.uid AS uid, k.name AS name, k.category AS category, h.images AS images, h.pixels AS pixels,
  h.center_bias AS center_bias, h.source AS source
ORDER BY k.uid
