"""Sentence pairs: from files, tables and hubs to padded batches; lines/ does the same for handwriting.

    sources.py    read_pairs: every kind of corpus → Pair(source, target, origin)     (text_files, tables, hub, demo)
    cleaning.py   clean: which training pairs are dropped, and the report that says why
    prepare.py    prepare_corpora: read, clean, tokenise once, into a cache of mapped files    (store, cache, untouched)
    corpus.py     EncodedCorpus: token ids, lengths, texts and origins by position           (index, by_length: mapped)
    sampler.py    TokenBudgetSampler: the batches of an epoch, a pure function of (seed, epoch, lengths, budget, ranks)
    pools.py      Pools: which pairs of an epoch are planned together, a quarter of a million at a time
    collate.py    collate: pairs → TranslationBatch, with subword regularisation if wanted
    loader.py     TrainingLoader (shuffled, resumable, any number of ranks and workers) and EvaluationLoader
    stream.py     StreamingLoader: the same without storing the corpus     (streamed_corpus, seeking)
    place.py      Place: which of the processes that train together asks for batches
    workers.py    worker processes that end with the process they work for
    batch.py      TranslationBatch and RecognitionBatch: what models are given
    lines/        lines of handwriting → RecognitionBatch, with the sampler and loaders of above

In use:

    corpora = prepare_corpora(config.data, config.tokenizer, seed=config.seed)     # Corpora
    corpora.train        EncodedCorpus, or StreamedCorpus with data.streaming
    corpora.validation   EncodedCorpus or None;   corpora.tests   {name: EncodedCorpus}
    corpora.tokenizers   Tokenizers(source, target);   corpora.report   CleaningReport: str(report), report.to_dict()

    loader = training_loader(corpora, config.data, seed=1, sampling=config.tokenizer.sampling, place=Place(0, 1))
    loader.set_epoch(0); for batch in loader: ...          # state_dict() / load_state_dict(): exact, also mid-epoch
    evaluation_loader(corpora.validation, config.data, Place(rank=0, ranks=1))     # every pair once, sorted by length
    train_tokenizers(config.data, config.tokenizer, seed=1)                      # Tokenizers alone, for `nmt tokenizer`

Nothing is imported here, so that `nmt.data.batch` costs no `datasets`.
"""
