import { UnusableAnswer } from './unusable-answer.ts'

type Read<T> = (value: unknown, field: string) => T

/** Reads the fields that decide nothing: an unusable one becomes null and is noted. */
export interface OptionalFields {
  /** A field that every node gives: its absence is noted too. */
  expected<T>(value: unknown, field: string, read: Read<T>): T | null
  /** A field that only some nodes give. */
  optional<T>(value: unknown, field: string, read: Read<T>): T | null
  /** What could not be used, a sentence each. */
  readonly notes: readonly string[]
}

/** @param subject what the fields are of, such as `receipt` */
export function createOptionalFields(subject: string): OptionalFields {
  const notes: string[] = []

  function expected<T>(value: unknown, field: string, read: Read<T>): T | null {
    try {
      return read(value, field)
    } catch (error) {
      if (!(error instanceof UnusableAnswer)) throw error
      notes.push(`the ${subject} is used without ${field}: ${error.message}`)
      return null
    }
  }

  return {
    notes,
    expected,
    optional: (value, field, read) =>
      value === undefined || value === null ? null : expected(value, field, read),
  }
}
