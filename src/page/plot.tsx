import { useEffect, useRef, useState } from 'preact/hooks'
import { ceilingOf } from './plot-scale.ts'

export interface Series {
  readonly key: string
  readonly label: string
  /** The class that gives its colour. */
  readonly colour: string
}

export interface Minute {
  readonly at: string
  /** By the key of the series; what is not there is 0 of bars, and nothing of lines. */
  readonly values: Readonly<Record<string, number | undefined>>
}

interface Props {
  readonly title: string
  /** `bars` are stacked. */
  readonly kind: 'bars' | 'lines'
  readonly unit: string
  readonly series: readonly Series[]
  readonly minutes: readonly Minute[]
  readonly format: (value: number) => string
}

const HEIGHT = 150
const TOP = 10
const BOTTOM = 20
const LEFT = 46
const MINUTES_BETWEEN_LABELS = 15
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const clock = (at: string) => CLOCK.format(new Date(at))

/**
 * Minutes side by side, as SVG: its colours are those of the style sheet, in light and dark. All of it is also said in
 * a table.
 */
export function Plot(props: Props) {
  const { title, kind, unit, series, minutes, format } = props
  const [shown, setShown] = useState<number | null>(null)
  const { element, width } = useWidth()
  const used = series.filter(({ key }) => minutes.some(({ values }) => values[key]))
  const minute = shown === null ? undefined : minutes[shown]
  return (
    <figure class="panel plot" ref={element}>
      <figcaption>
        <h3>{title}</h3>
        <span class="hint">{minute ? clock(minute.at) : unit}</span>
      </figcaption>
      <Drawing {...props} width={width} shown={shown} onShow={setShown} />
      <ul class="legend">
        {(used.length > 0 ? used : []).map(({ key, label, colour }) => (
          <li key={key}>
            <span class={`swatch ${colour}`} aria-hidden="true" />
            {label}
            <span class="amount">{legendValue(kind, key, minute, minutes, format)}</span>
          </li>
        ))}
        {used.length === 0 && <li class="hint">Nothing in this hour.</li>}
      </ul>
      <AsTable {...props} series={used} />
    </figure>
  )
}

/** Of the minute that is pointed at; else of the hour, or of its last minute that has one. */
function legendValue(
  kind: Props['kind'],
  key: string,
  minute: Minute | undefined,
  minutes: readonly Minute[],
  format: Props['format'],
): string {
  if (minute) {
    const value = minute.values[key] ?? (kind === 'bars' ? 0 : undefined)
    return value === undefined ? '–' : format(value)
  }
  if (kind === 'bars') return format(minutes.reduce((sum, { values }) => sum + (values[key] ?? 0), 0))
  const last = minutes.findLast(({ values }) => values[key] !== undefined)?.values[key]
  return last === undefined ? '–' : format(last)
}

interface DrawingProps extends Props {
  readonly width: number
  readonly shown: number | null
  readonly onShow: (index: number | null) => void
}

function Drawing({ title, kind, unit, series, minutes, format, width, shown, onShow }: DrawingProps) {
  const totals = minutes.map(({ values }) => {
    const all = series.map(({ key }) => values[key] ?? 0)
    return kind === 'bars' ? all.reduce((sum, value) => sum + value, 0) : Math.max(0, ...all)
  })
  const { ceiling, middle } = ceilingOf(Math.max(0, ...totals), kind === 'bars')
  const step = Math.max(1, width - LEFT) / Math.max(1, minutes.length)
  const x = (index: number) => LEFT + index * step
  const y = (value: number) => TOP + (1 - value / ceiling) * (HEIGHT - TOP - BOTTOM)
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect()
    const index = Math.floor((event.clientX - box.left - LEFT) / step)
    onShow(index >= 0 && index < minutes.length ? index : null)
  }
  return (
    <svg
      role="img"
      aria-label={`${title}, ${unit}; the same is in the table below`}
      width={width}
      height={HEIGHT}
      onPointerMove={point}
      onPointerLeave={() => onShow(null)}
    >
      {[0, ...(middle === null ? [] : [middle]), ceiling].map((value) => (
        <g key={value}>
          <line class="grid" x1={LEFT} x2={width} y1={y(value)} y2={y(value)} />
          <text x={LEFT - 6} y={y(value) + 4} text-anchor="end">
            {format(value)}
          </text>
        </g>
      ))}
      {minutes.map(({ at }, index) =>
        new Date(at).getMinutes() % MINUTES_BETWEEN_LABELS === 0 && x(index) < width - 30 ? (
          <text key={at} x={x(index)} y={HEIGHT - 5} text-anchor={index < 2 ? 'start' : 'middle'}>
            {clock(at)}
          </text>
        ) : null,
      )}
      {shown !== null && (
        <rect class="shown" x={x(shown)} y={TOP} width={step} height={HEIGHT - TOP - BOTTOM} />
      )}
      {kind === 'bars'
        ? minutes.map((minute, index) => (
            <Bar key={minute.at} {...{ minute, series, y, step }} x={x(index)} />
          ))
        : series.map(({ key, colour }) => (
            <g key={key} class={colour}>
              {runsOf(minutes, key).map((run) => (
                <Run
                  key={run[0]?.index}
                  points={run.map(({ index, value }) => [x(index) + step / 2, y(value)])}
                />
              ))}
            </g>
          ))}
    </svg>
  )
}

/** A minute without neighbours is a dot. */
function Run({ points }: { readonly points: readonly (readonly [number, number])[] }) {
  const [first] = points
  if (!first) return null
  if (points.length === 1) return <circle class="dot" cx={first[0]} cy={first[1]} r={2.5} />
  return <polyline class="line" points={points.map((point) => point.join(',')).join(' ')} />
}

interface BarProps {
  readonly minute: Minute
  readonly series: readonly Series[]
  readonly x: number
  readonly y: (value: number) => number
  readonly step: number
}

function Bar({ minute, series, x, y, step }: BarProps) {
  let below = 0
  const gap = step > 4 ? 1 : 0
  return (
    <g>
      {series.map(({ key, colour }) => {
        const value = minute.values[key] ?? 0
        if (value === 0) return null
        const from = below
        below += value
        return (
          <rect
            key={key}
            class={`bar ${colour}`}
            x={x}
            width={Math.max(1, step - gap)}
            y={y(below)}
            height={y(from) - y(below)}
          />
        )
      })}
    </g>
  )
}

/** Minutes in a row that have a value; a line over those without one would claim something. */
function runsOf(minutes: readonly Minute[], key: string): { index: number; value: number }[][] {
  const runs: { index: number; value: number }[][] = [[]]
  for (const [index, { values }] of minutes.entries()) {
    const value = values[key]
    if (value === undefined) runs.push([])
    else runs.at(-1)?.push({ index, value })
  }
  return runs.filter((run) => run.length > 0)
}

function AsTable({ title, series, minutes, format }: Props) {
  const told = minutes.filter(({ values }) => series.some(({ key }) => values[key]))
  if (told.length === 0) return null
  return (
    <details>
      <summary>As a table</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: else the keyboard could not scroll it */}
      <section class="scroll" aria-label={`${title}: table`} tabIndex={0}>
        <table>
          <caption>{title}; minutes in which nothing happened are left out</caption>
          <thead>
            <tr>
              <th scope="col">Minute</th>
              {series.map(({ key, label }) => (
                <th key={key} scope="col" class="number">
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {told.toReversed().map(({ at, values }) => (
              <tr key={at}>
                <th scope="row">
                  <time dateTime={at}>{clock(at)}</time>
                </th>
                {series.map(({ key }) => {
                  const value = values[key]
                  return (
                    <td key={key} class="number">
                      {value === undefined ? '–' : format(value)}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  )
}

/** What the figure has within its padding. */
function useWidth() {
  const element = useRef<HTMLElement>(null)
  const [width, setWidth] = useState(300)
  useEffect(() => {
    if (!element.current) return
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.floor(entry.contentRect.width))
    })
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [])
  return { element, width }
}
