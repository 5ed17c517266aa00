// Contributors without a name
// The contributors to a class that are named after no concept.
// Only contributions kept in the graph are listed: a unit that is missing may have a weaker one that was
// not kept.
// $run: uid of a run
// $class: a class, as class/road
// $top: at most this many rows (default 10)
MATCH (:Class {uid: $run + '/' + $class})<-[e:CONTRIBUTES]-(u:Unit)
WHERE e.weight > 0 AND NOT u.named
RETURN substring(u.uid, size($run) + 1) AS unit, e.weight AS weight, e.share AS share, e.rank AS rank
ORDER BY weight DESC, u.uid
LIMIT $top
