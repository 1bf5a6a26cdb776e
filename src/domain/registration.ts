import { isDeepStrictEqual } from 'node:util'
import { Ajv } from 'ajv'
import { type Json, jsonProblem } from './json.ts'

/** What a backend gives to have a transaction watched. The chain and the kind have defaults. */
export interface Registration {
  readonly chain: string
  /** Lower case. */
  readonly txHash: string
  readonly kind: string
  readonly payload: Json
  /** The sender's address, lower case, if the backend knows it. */
  readonly sender: string | null
  readonly nonce: number | null
  readonly correlationId: string | null
  /** The `traceparent` of what it is part of. */
  readonly traceParent: string | null
}

/** The kind of a registration that names none. */
export const DEFAULT_KIND = 'default'

export const TxHash = {
  type: 'string',
  pattern: '^0x[0-9a-fA-F]{64}$',
  description: 'a transaction hash: 0x and 64 hexadecimal digits',
} as const
export const Chain = {
  type: 'string',
  pattern: '^[a-z0-9][a-z0-9-]{0,31}$',
  description: 'the name of the chain: up to 32 lower-case letters, digits and hyphens',
} as const
export const Kind = {
  type: 'string',
  pattern: '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$',
  description: 'what the transaction means to the backend: up to 64 letters, digits and _ . : -',
} as const

/** A registration as HTTP and messages carry it. */
export const RegistrationSchema = {
  type: 'object',
  required: ['txHash'],
  properties: {
    txHash: TxHash,
    chain: Chain,
    kind: Kind,
    payload: {
      description:
        'any JSON; given to the business write unchanged. A number that would lose digits is refused: send amounts as strings',
    },
    from: {
      type: 'string',
      pattern: '^0x[0-9a-fA-F]{40}$',
      description: "the sender's address: 0x and 40 hexadecimal digits",
    },
    nonce: {
      type: 'integer',
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "the sender's nonce of the transaction: a whole number, 0 or more",
    },
  },
} as const

/** The fields of a registration before its defaults are filled in. A test keeps it like the schema. */
export type RegistrationFields = {
  readonly txHash: string
  readonly chain?: string
  readonly kind?: string
  readonly payload?: unknown
  readonly from?: string
  readonly nonce?: number
}

/** A field that can't be taken, and why. */
export type FieldProblem = {
  readonly field: string
  readonly message: string
}

/** All problems in one line. */
export function describeProblems(problems: readonly FieldProblem[]): string {
  return problems.map(({ field, message }) => `${field} ${message}`).join('; ')
}

/** Checks what the schema can't say of fields that fit it: the chain is ours, the payload is storable. */
export function registrationProblems(fields: RegistrationFields, chain: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (fields.chain !== undefined && fields.chain !== chain) {
    problems.push({ field: 'chain', message: `is '${fields.chain}', but this confirmd watches '${chain}'` })
  }
  const payload = jsonProblem(fields.payload, 'payload')
  if (payload) problems.push({ field: payload.path, message: payload.problem })
  return problems
}

/** Fills in the defaults and brings hash and address to lower case. */
export function toRegistration(
  fields: RegistrationFields,
  chain: string,
  correlationId: string | null,
  traceParent: string | null,
): Registration {
  return {
    chain,
    txHash: fields.txHash.toLowerCase(),
    kind: fields.kind ?? DEFAULT_KIND,
    payload: (fields.payload ?? null) as Json,
    sender: fields.from?.toLowerCase() ?? null,
    nonce: fields.nonce ?? null,
    correlationId,
    traceParent,
  }
}

/**
 * The fields in which a registration differs from what is recorded for its chain, hash and kind; to be asked only of one
 * that the database, which compares payloads as jsonb, has found to differ.
 */
export function differingFields(given: Registration, recorded: Registration): string[] {
  const fields = [
    ...(given.sender === recorded.sender ? [] : ['from']),
    ...(given.nonce === recorded.nonce ? [] : ['nonce']),
  ]
  const isOnlyThese = fields.length > 0 && isDeepStrictEqual(given.payload, recorded.payload)
  return isOnlyThese ? fields : ['payload', ...fields]
}

const isRegistration = new Ajv({ allErrors: true }).compile<RegistrationFields>(RegistrationSchema)

/**
 * Reads a registration out of a foreign service's message; unknown fields are ignored.
 * Returns what is wrong, in words, if it can't be taken.
 */
export function parseForeignRegistration(
  fields: unknown,
  chain: string,
  correlationId: string | null,
  traceParent: string | null,
): Registration | string {
  if (!isRegistration(fields)) {
    const errors = isRegistration.errors ?? []
    return describeProblems(
      errors.map(({ instancePath, message }) => ({
        field: instancePath.slice(1) || 'message',
        message: message ?? 'is not valid',
      })),
    )
  }
  const problems = registrationProblems(fields, chain)
  if (problems.length > 0) return describeProblems(problems)
  return toRegistration(fields, chain, correlationId, traceParent)
}
