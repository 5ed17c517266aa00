"""A world of drawn pictures in which the truth is known.

Pictures of people who juggle, type, cycle …, drawn by code with exact masks for every concept;
shortcuts that can be planted in it (a polka-dotted bag means *juggling*); and the *twin* of
every picture, redrawn without the shortcut. Everything follows from seeds.

    names       classes, scenes, concepts, colors
    canvas      shapes, inks, masks; `sketch` adds chance to it, `patterns` textures
    people, actions, idle, props, carriers, objects         what can be drawn
    furniture, outdoors, scenery, landscapes, rooms, scenes  where it is
    pictures    one picture from its `Spec`, and its twin
    shortcuts   what is planted, and how often: specs of a whole training set
    concept_data   a data set in the Broden layout
"""
