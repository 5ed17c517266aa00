"""A world of drawn pictures whose ground truth is known.

People who juggle, type, cycle … are drawn with exact label maps of all concepts. Shortcuts can be
planted (a polka-dotted bag means *juggling*), and each picture has a *twin*, drawn without the
shortcut's cue. Everything is seeded.

    names         classes, scenes, concepts, colors
    canvas        shapes, inks, masks; `sketch` adds random choices, `patterns` textures
    people, actions, bystanders, props                        people and what they use
    carriers, objects                                         what stands beside them
    furniture, outdoors, scenery, landscapes, rooms, scenes   the scene behind them
    specs         what a picture, or a clip of `moving`, is drawn from
    pictures      one picture from its `PictureSpec`, and its twin
    shortcuts     what is planted, and how often: specs of whole sets of pictures
    concept_data  concept data in the Broden layout
"""
