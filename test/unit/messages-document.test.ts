import { expect, it } from 'vitest'
import { brokerNames } from '../../src/broker/topology.ts'
import { CloudEventSchema } from '../../src/domain/event.ts'
import { RegistrationSchema } from '../../src/domain/registration.ts'
import { TransactionView } from '../../src/domain/transaction-view.ts'
import {
  departures,
  documentedExamples,
  documentedSchemas,
  messagesDocument,
} from '../support/messages-document.ts'

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

it('the documented schemas are those of the code', () => {
  expect(documentedSchemas.registration).toEqual({
    $schema: DRAFT,
    title: 'Registration message',
    ...RegistrationSchema,
  })
  expect(documentedSchemas.event).toEqual({
    $schema: DRAFT,
    title: 'Event',
    ...CloudEventSchema,
    // An event of a webhook carries something else.
    if: { properties: { type: { type: 'string', pattern: '^confirmd\\.transaction\\.' } } },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema calls it so
    then: { properties: { data: TransactionView } },
  })
})

it('the documented examples fit the documented schemas', () => {
  expect(departures('registration', documentedExamples.registration)).toEqual([])
  expect(departures('event', documentedExamples.event)).toEqual([])
})

it('the documented schemas refuse what is something else', () => {
  const { registration, event } = documentedExamples
  expect(departures('registration', event)).not.toEqual([])
  expect(departures('event', registration)).not.toEqual([])
  expect(departures('event', { ...(event as object), data: {} })).toContain(
    "/data must have required property 'txHash'",
  )
})

it('the exchanges and queues that the document names are those of the default prefix', () => {
  const known = Object.values(brokerNames('TX'))
  const named = new Set(messagesDocument.match(/\bTX\.[EQ]\.[A-Z_]+/g))
  expect([...named].sort()).toEqual(['TX.E.DIRECT', 'TX.E.EVENTS', 'TX.Q.PARKED'])
  expect(known).toEqual(expect.arrayContaining([...named]))
})
