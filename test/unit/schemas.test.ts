import type { FromSchema } from 'json-schema-to-ts'
import { expect, it } from 'vitest'
import type { RegistrationFields, RegistrationSchema } from '../../src/domain/registration.ts'
import type { TransactionDetail, TransactionView } from '../../src/domain/transaction-view.ts'

/** True if whatever is of one type is of the other. */
type Alike<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

type ViewBySchema = FromSchema<typeof TransactionView>
type DetailBySchema = FromSchema<typeof TransactionDetail>
type FieldsBySchema = FromSchema<typeof RegistrationSchema>

it('the types that the package exports are those of the schemas: the compiler says so', () => {
  const view: Alike<TransactionView, ViewBySchema> = true
  const fields: Alike<RegistrationFields, FieldsBySchema> = true
  const detail: Alike<TransactionDetail, DetailBySchema> = true
  expect([view, fields, detail]).toEqual([true, true, true])
})
