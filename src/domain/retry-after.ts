/**
 * The time that a Retry-After asks for, in seconds or as a date (RFC 9110), in ms; null if there is none that can be read.
 * @param mostMs what it may ask for at most
 */
export function readRetryAfter(value: unknown, now: Date, mostMs: number): number | null {
  if (typeof value !== 'string') return null
  const afterMs = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now.getTime()
  return Number.isFinite(afterMs) ? Math.min(Math.max(afterMs, 0), mostMs) : null
}
