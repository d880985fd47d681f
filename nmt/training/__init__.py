"""Lightning: from a configuration to a trained, scored and resumable run.

fit.py            one call trains a run; parts.py says what it is made of, run.py is its folder, finish.py its end
sequence_task.py  what trains any model; running.py its sums, schedules.py its learning rate, averaging.py its mean
translation/      a translator's task, teacher forcing, risk, scores and samples
recognition/      a recogniser's task, reading of its tests, samples and pictures
watching/         metrics, curves, samples, progress, W&B
keeping/          checkpoints, random states, what the run learns from
ending/           faults, failed processes, signals and limits, SLURM
machine/          number formats, kernels and threads by measurement
"""
