"""A world of drawn clips: that of `world`, in which time goes on.

People juggle, cycle, type …, and things drift across the picture; *juggling* and *holding* differ
by motion alone. A shortcut may be a texture, as in pictures, or a motion: a thing that drifts right
means *cycling*. Each clip has a twin: without the dotted thing, or with the drifting thing at rest.

    names      classes, scenes, concepts
    clips      one clip from its `ClipSpec`, and its twin
    shortcuts  what is planted, and how often: specs of whole sets of clips
"""
