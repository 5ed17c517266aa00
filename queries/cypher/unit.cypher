// One unit
// What a unit is, and the images on which it is strongest.
// $run: uid of a run
// $unit: a unit, as block4/290
MATCH (u:Unit {uid: $run + '/' + $unit})
RETURN substring(u.uid, size($run) + 1) AS uid, u.name AS name, u.status AS status, u.threshold AS threshold,
  u.interpretable AS interpretable, u.named AS named, u.reversed AS reversed,
  u.frozen AS frozen, coalesce(u.images, []) AS images,
  coalesce(u.activations, []) AS activations, coalesce(u.thumbnails, []) AS thumbnails
