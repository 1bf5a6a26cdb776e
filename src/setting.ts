/** One setting: where its value comes from and what it means. The README's table is made of these. */
export interface Setting<T> {
  readonly variable: string
  /** As written in the environment; null if the setting may be left out without a value. */
  readonly fallback: string | null
  /** The default in words, where `fallback` alone does not say it. */
  readonly fallbackText?: string
  readonly meaning: string
  /** Throws an Error whose message completes "<variable> …". */
  readonly read: (text: string) => T
}

export function setting<T>(definition: Setting<T>): Setting<T> {
  return definition
}

export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || number < minimum || number > maximum) {
      throw new Error(`must be a whole number from ${minimum} to ${maximum}, not '${text}'`)
    }
    return number
  }
}

export function matching(pattern: RegExp, problem: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Error(`${problem}, not '${text}'`)
    return text
  }
}

export function oneOf<const T extends readonly string[]>(allowed: T): (text: string) => T[number] {
  return (text) => {
    if (!allowed.includes(text)) throw new Error(`must be one of ${allowed.join(', ')}, not '${text}'`)
    return text
  }
}

export function list(text: string): string[] {
  return text.split(',').map((part) => part.trim())
}

/** A URL of one of the protocols. Its text may hold a password or a key, so the problem does not repeat it. */
export function urlOf(...protocols: string[]): (text: string) => string {
  return (text) => {
    const parsed = URL.canParse(text) ? new URL(text) : null
    if (!parsed || !protocols.includes(parsed.protocol)) {
      throw new Error(`must be a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}`)
    }
    if (parsed.hash !== '') throw new Error('must be a URL without #: within a password it is written %23')
    return text
  }
}
