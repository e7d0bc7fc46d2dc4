"""Bars as SVG: a row for each thing measured, a bar for each who did it, and a line across its end from the least to the most of the rounds."""
from xml.sax.saxutils import escape

COLOURS = {"nothing": "#9aa5b1", "kernel": "#4c78a8", "lwip": "#f2a541", "tapir": "#2a9d5c"}
NAMES = {"nothing": "do-nothing peer", "kernel": "kernel, veth", "lwip": "lwIP", "tapir": "tapir"}
WIDTH, LEFT, RIGHT, BAR, GAP, ROW_GAP, TOP = 860, 270, 120, 15, 3, 14, 58


def text(x, y, words, size=12, anchor="start", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def image(title, height, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text(12, 22, title, size=15, weight="bold"),
        *parts,
        "</svg>",
    ]) + "\n"


def bars(title, rows, show):
    """`rows`: (name, [(who, {"median", "least", "most"})]); each row has a scale of its own. `show` writes a value. The image as text."""
    y, parts = TOP, []
    for name, values in rows:
        height = len(values) * (BAR + GAP)
        scale = (WIDTH - LEFT - RIGHT) / max(value["most"] for _, value in values)
        parts.append(text(LEFT - 10, y + height / 2 + 3, name, anchor="end"))
        for who, value in values:
            end, middle = LEFT + value["median"] * scale, y + BAR / 2
            least, most = LEFT + value["least"] * scale, LEFT + value["most"] * scale
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" fill="{COLOURS[who]}"/>')
            parts.append(f'<path d="M{least:.1f} {middle}H{most:.1f}M{least:.1f} {middle - 4}v8M{most:.1f} {middle - 4}v8" stroke="#222" fill="none"/>')
            parts.append(text(max(end, most) + 6, y + BAR - 3, show(name, value["median"])))
            y += BAR + GAP
        y += ROW_GAP
    seen = [who for who in COLOURS if any(who == one for _, values in rows for one, _ in values)]
    legend = []
    for i, who in enumerate(seen):
        x = LEFT + 140 * i
        legend += [f'<rect x="{x}" y="34" width="12" height="12" fill="{COLOURS[who]}"/>', text(x + 17, 44, NAMES[who])]
    return image(title, y, legend + parts)


def one_scale(title, rows, show):
    """Bars of tapir's alone, all on one scale. `rows`: (name, value)."""
    scale = (WIDTH - LEFT - RIGHT) / max(value for _, value in rows)
    parts, y = [], TOP - 18
    for name, value in rows:
        parts += [text(LEFT - 10, y + BAR - 3, name, anchor="end"), f'<rect x="{LEFT}" y="{y}" width="{value * scale:.1f}" height="{BAR}" fill="{COLOURS["tapir"]}"/>',
                  text(LEFT + value * scale + 6, y + BAR - 3, show(value))]
        y += BAR + 2 * GAP
    return image(title, y + GAP, parts)
