// Charts by ECharts where it is installed; where it is not, the plain bars and the tables stay.
const style = getComputedStyle(document.documentElement)
const ink = (name) => style.getPropertyValue(`--${name}`).trim()
const axis = {
  axisLine: { lineStyle: { color: ink("line") } },
  axisLabel: { color: ink("dim") },
  splitLine: { lineStyle: { color: ink("line") } },
}
const common = {
  backgroundColor: "transparent",
  animation: false,
  textStyle: { fontFamily: style.fontFamily },
  tooltip: {
    renderMode: "richText",
    trigger: "axis",
    backgroundColor: ink("raised"),
    textStyle: { color: ink("text") },
  },
}

const OPTIONS = {
  rounds: (of, labels) => ({
    ...common,
    legend: { textStyle: { color: ink("text") }, top: 0 },
    grid: { left: 48, right: 48, top: 36, bottom: 48 },
    xAxis: { type: "category", data: of.map((one) => one.name), ...axis, splitLine: { show: false } },
    yAxis: [
      { type: "value", ...axis },
      { type: "value", min: 0, max: 100, ...axis, splitLine: { show: false } },
    ],
    series: [
      ...[
        ["normal", ink("ok")],
        ["problem", ink("bad")],
        ["not_viewable", "#d3a63c"],
        ["missed", "#b04ad0"],
      ].map(([key, color]) => ({
        name: labels[key],
        type: "bar",
        stack: "cameras",
        data: of.map((one) => one[key]),
        itemStyle: { color },
        barMaxWidth: 26,
      })),
      {
        name: labels.coverage,
        type: "line",
        yAxisIndex: 1,
        data: of.map((one) => one.coverage),
        symbol: "none",
        lineStyle: { color: ink("text"), width: 2 },
        itemStyle: { color: ink("text") },
      },
      {
        name: labels.findings,
        type: "line",
        yAxisIndex: 1,
        data: of.map((one) => one.findings),
        symbol: "none",
        lineStyle: { color: ink("link"), type: "dashed" },
        itemStyle: { color: ink("link") },
      },
    ],
  }),
  precision: (of, labels) => ({
    ...common,
    tooltip: {
      ...common.tooltip,
      formatter: ([bar]) => {
        const one = of[bar.dataIndex]
        return `${one.name}\n${one.share} % (${one.low}–${one.high} %)  n=${one.decided}`
      },
    },
    grid: { left: 48, right: 24, top: 16, bottom: 90 },
    xAxis: {
      type: "category",
      data: of.map((one) => one.camera.slice(-6)),
      ...axis,
      axisLabel: { color: ink("dim"), rotate: 45 },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      min: 0,
      max: 100,
      name: labels.share,
      nameTextStyle: { color: ink("dim") },
      ...axis,
    },
    series: [
      {
        name: labels.share,
        type: "bar",
        data: of.map((one) => one.share),
        itemStyle: { color: ink("accent") },
        barMaxWidth: 26,
      },
      {
        type: "custom",
        data: of.map((one, index) => [index, one.low, one.high]),
        tooltip: { show: false },
        renderItem: (_, api) => {
          const [x, low] = api.coord([api.value(0), api.value(1)]),
            [, high] = api.coord([api.value(0), api.value(2)])
          return {
            type: "path",
            shape: { pathData: `M${x} ${low}V${high}M${x - 5} ${low}h10M${x - 5} ${high}h10` },
            style: { stroke: ink("warn"), lineWidth: 2, fill: "none" },
          }
        },
      },
    ],
  }),
}

for (const box of document.querySelectorAll("[data-chart]")) {
  if (!box.dataset.echarts) continue
  try {
    const { echarts } = await import(box.dataset.echarts)
    box.hidden = false
    const chart = echarts.init(box, null, { renderer: "svg" })
    chart.setOption(OPTIONS[box.dataset.chart](JSON.parse(box.dataset.of), JSON.parse(box.dataset.labels)))
    box.parentElement.querySelector(".plain")?.remove()
    addEventListener("resize", () => chart.resize())
  } catch {
    box.hidden = true
  }
}
document.body.dataset.charted = ""
