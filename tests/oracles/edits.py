"""What error rates are judged by: the table of edits, cell by cell."""

from collections.abc import Hashable, Sequence


def plain_edits(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions of the shortest edit with the fewest substitutions, cell by cell."""
    best = {(0, 0): (0, 0, 0, 0)}  # errors, substitutions, deletions, insertions: compared in this order
    for i in range(len(reference) + 1):
        for j in range(len(hypothesis) + 1):
            ways = []
            if i and j:
                errors, *kinds = best[i - 1, j - 1]
                wrong = reference[i - 1] != hypothesis[j - 1]
                ways.append((errors + wrong, kinds[0] + wrong, kinds[1], kinds[2]))
            if i:
                errors, *kinds = best[i - 1, j]
                ways.append((errors + 1, kinds[0], kinds[1] + 1, kinds[2]))
            if j:
                errors, *kinds = best[i, j - 1]
                ways.append((errors + 1, kinds[0], kinds[1], kinds[2] + 1))
            if ways:
                best[i, j] = min(ways)
    return best[len(reference), len(hypothesis)][1:]
