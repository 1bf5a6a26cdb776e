/** A variable that is set and is no setting, but one edit away from settings that are not. */
export interface Misspelling {
  readonly variable: string
  readonly likely: readonly string[]
  /** Whether it is a problem; otherwise it is only worth a warning. */
  readonly isProblem: boolean
  /** Completes "<variable> …". Its value is not repeated: it may be a secret. */
  readonly problem: string
}

/**
 * So short a name is one edit away from words that other programs use (HOSTS, POST), and where HOST or PORT fell back to
 * its default, whoever connects notices. All other defaults can be in use for long before the harm is seen.
 */
const SHORT_NAME_CHARS = 4

/**
 * Finds misspelt settings. One insertion, deletion, substitution or transposition counts, and so does another case. A
 * setting that the environment has, also without a value, is not looked for: it was not forgotten.
 */
export function findMisspelt(
  environment: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
): readonly Misspelling[] {
  const missing = settings.filter((name) => environment[name] === undefined)
  return Object.keys(environment)
    .filter((variable) => environment[variable]?.trim() && !settings.includes(variable))
    .map((variable) => ({ variable, likely: missing.filter((name) => isAtMostOneEdit(variable, name)) }))
    .filter(({ likely }) => likely.length > 0)
    .map(({ variable, likely }) => ({
      variable,
      likely,
      isProblem: likely.some((name) => name.length > SHORT_NAME_CHARS),
      problem:
        `is not a setting; is ${likely.join(' or ')} meant? Rename it, or, if another program needs it, set also ` +
        `${likely.map((name) => `${name}=`).join(' and ')} without a value, which keeps the default`,
    }))
}

function isAtMostOneEdit(one: string, other: string): boolean {
  const [a, b] = [charactersOf(one), charactersOf(other)]
  const shorter = Math.min(a.length, b.length)
  let before = 0
  while (before < shorter && a[before] === b[before]) before++
  let after = 0
  while (after < shorter - before && a[a.length - 1 - after] === b[b.length - 1 - after]) after++
  const [x, y] = [a.slice(before, a.length - after), b.slice(before, b.length - after)]
  if (x.length <= 1 && y.length <= 1) return true
  return x.length === 2 && y.length === 2 && x[0] === y[1] && x[1] === y[0]
}

/** Only a to z are raised: others, such as ß, would become several characters. */
function charactersOf(name: string): readonly string[] {
  return Array.from(name.replace(/[a-z]/g, (letter) => letter.toUpperCase()))
}
