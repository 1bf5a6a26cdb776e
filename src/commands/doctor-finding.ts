/** What one check of doctor found. */
export interface Finding {
  readonly check: string
  readonly outcome: 'ok' | 'warn' | 'fail'
  readonly text: string
  /** What to try; null where there is nothing to do. */
  readonly advice: string | null
}

export function ok(check: string, text: string): Finding {
  return { check, outcome: 'ok', text, advice: null }
}

export function warn(check: string, text: string, advice: string): Finding {
  return { check, outcome: 'warn', text, advice }
}

export function fail(check: string, text: string, advice: string): Finding {
  return { check, outcome: 'fail', text, advice }
}
