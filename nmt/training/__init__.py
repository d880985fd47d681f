"""Lightning: from a configuration to a trained, scored and resumable run.

fit.py            one call trains a run: run.py is its folder, callbacks.py what is called on its way, finish.py its end
log_file.py       the folder's train.log
kinds.py          which kind of run it is; parts.py says what a kind is, and what a run of it is made of
sequence_task.py  what trains any model; running.py its sums, schedules.py its learning rate, averaging.py its mean
initialize.py     beginning with the weights of another run
translation/      a translator's kind, parts and task; teacher forcing, risk, scores and samples
recognition/      a recogniser's kind, parts and task; reading of its tests, samples and pictures
watching/         metrics, curves, samples, progress, W&B
keeping/          checkpoints, random states, what the run learns from
ending/           faults, failed processes, signals and limits, SLURM
machine/          number formats, kernels and threads by measurement
"""
