import fc from 'fast-check'

/** One seed for every run of the suite, so that it fails by what was changed and not by chance. */
const USUAL_SEED = 20_261_121

/**
 * Parameters of a run of generated cases. TEST_SEED=random looks further than the usual seed. The seed is
 * printed by fast-check when a case fails, with the path to the smallest one; TEST_SEED and TEST_PATH run that
 * again. TEST_RUNS makes a run longer or shorter.
 */
export function generatedRuns(numRuns: number): { seed: number; numRuns: number; path?: string } {
  const { TEST_SEED: seed, TEST_PATH: path, TEST_RUNS: runs } = process.env
  return {
    seed: seed === 'random' ? Date.now() % 0x7fff_ffff : Number(seed ?? USUAL_SEED),
    numRuns: runs === undefined ? numRuns : Math.min(numRuns, Number(runs)),
    ...(path === undefined ? {} : { path }),
  }
}

/** The cases of one seed, for a test that sends them all at once instead of one after the other. */
export function generate<T>(
  arbitrary: fc.Arbitrary<T>,
  { seed, numRuns }: { seed: number; numRuns: number },
): T[] {
  return fc.sample(arbitrary, { seed, numRuns })
}
