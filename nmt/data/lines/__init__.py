"""Lines of handwriting: from images, pages and pen strokes to padded batches.

line.py        Line: a name, a transcript, a writer, and where its pixels or points are read from
kind.py        what kind a source is of, told by its name and what lies in it
sources.py     read_lines: every kind of source → Line      (tables, pairs, pages, hub, stroke_rows, pendigits, digits)
pages.py       ALTO and PAGE files cut into lines           (alto, page_xml → text_line; markup: XML without entities)
composed.py    which single symbols make a line             (for pendigits and digits)
alto_writer.py page_writer.py  pages of what was read       (placed: what both are given)
picture.py     images: reading, cutting by polygon, scaling to the model's height
strokes.py     pen strokes → features
prepare.py     prepare_lines: read, check, count what is bad (report), look for what splits share (leaks)
corpus.py      LineCorpus: prepared inputs, targets, and the bad lines with their reasons
collate.py     lines → RecognitionBatch, varied by augmentation.py in training; sampler and loaders of nmt.data

In use:

    corpora = prepare_lines(config.data, height=48, colour="grey", kind="image", frames_of=frontend.frames)
    corpora.train, corpora.validation, corpora.tests      LineCorpus each; corpora.alphabet, corpora.report
    loader = line_training_loader(corpora.train, config.data, seed=1)    # a TrainingLoader: set_epoch, state_dict
"""
