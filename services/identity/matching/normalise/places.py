"""Names of countries and regions and their one spelling; types of streets; Chinese provinces. Visible tables."""

from __future__ import annotations

from collections.abc import Mapping

from services.identity.matching.normalise.tables import listed


def _table(lines: str) -> dict[str, str]:
    """name -> spelling, of lines of "SPELLING: name, name"."""
    found: dict[str, str] = {}
    for line in lines.strip().splitlines():
        spelling, _, names = line.strip().partition(": ")
        found.update(dict.fromkeys(names.split(", "), spelling))
    return found


COUNTRIES: Mapping[str, str] = _table("""
CN: cn, chn, china, pr china, prc, p r china, peoples republic of china, mainland china, 中国, 中华人民共和国, zhongguo
HK: hk, hkg, hong kong, hongkong, hong kong sar, 香港, xianggang
MO: mo, mac, macau, macao, 澳门
TW: tw, twn, taiwan, 台湾, 台湾省, taiwan roc
US: us, usa, u s, u s a, united states, united states of america, america, 美国
GB: gb, gbr, uk, u k, united kingdom, great britain, england, scotland, wales, northern ireland, 英国
AU: au, aus, australia, 澳大利亚
NZ: nz, nzl, new zealand, aotearoa, 新西兰
CA: ca, can, canada, 加拿大
IE: ie, irl, ireland, eire
DE: de, deu, ger, germany, deutschland, 德国
AT: at, aut, austria, osterreich
CH: ch, che, switzerland, schweiz, suisse, svizzera
FR: fr, fra, france, 法国
IT: it, ita, italy, italia, 意大利
ES: es, esp, spain, espana, 西班牙
PT: pt, prt, portugal
NL: nl, nld, netherlands, the netherlands, nederland, holland, 荷兰
BE: be, bel, belgium, belgie, belgique
LU: lu, lux, luxembourg
DK: dk, dnk, denmark, danmark
SE: se, swe, sweden, sverige
NO: no, nor, norway, norge
FI: fi, fin, finland, suomi
PL: pl, pol, poland, polska
CZ: cz, cze, czech republic, czechia
HU: hu, hun, hungary
RO: ro, rou, romania
BG: bg, bgr, bulgaria, balgariya
GR: gr, grc, greece, ellada, hellas
TR: tr, tur, turkey, turkiye
RU: ru, rus, russia, russian federation, rossiya, 俄罗斯
UA: ua, ukr, ukraine, ukraina
IN: in, ind, india, 印度
JP: jp, jpn, japan, nippon, 日本
KR: kr, kor, korea, south korea, republic of korea, 韩国
SG: sg, sgp, singapore, 新加坡
MY: my, mys, malaysia, 马来西亚
TH: th, tha, thailand, 泰国
VN: vn, vnm, vietnam, viet nam, 越南
ID: id, idn, indonesia, 印度尼西亚
PH: ph, phl, philippines, 菲律宾
BR: br, bra, brazil, brasil, 巴西
MX: mx, mex, mexico
AR: ar, arg, argentina
CL: cl, chl, chile
ZA: za, zaf, south africa
AE: ae, are, united arab emirates, uae
SA: sa, sau, saudi arabia
IL: il, isr, israel
EG: eg, egy, egypt
NG: ng, nga, nigeria
KE: ke, ken, kenya
PK: pk, pak, pakistan
BD: bd, bgd, bangladesh
""")
"""A folded name of a country -> its ISO 3166 code of two letters."""

_AU = _table("""
nsw: nsw, new south wales
vic: vic, victoria
qld: qld, queensland
wa: wa, western australia
sa: sa, south australia
tas: tas, tasmania
act: act, australian capital territory
nt: nt, northern territory
""")
_US = _table("""
al: al, alabama
ak: ak, alaska
az: az, arizona
ar: ar, arkansas
ca: ca, california, calif
co: co, colorado
ct: ct, connecticut
de: de, delaware
fl: fl, florida
ga: ga, georgia
hi: hi, hawaii
id: id, idaho
il: il, illinois
in: in, indiana
ia: ia, iowa
ks: ks, kansas
ky: ky, kentucky
la: la, louisiana
me: me, maine
md: md, maryland
ma: ma, massachusetts
mi: mi, michigan
mn: mn, minnesota
ms: ms, mississippi
mo: mo, missouri
mt: mt, montana
ne: ne, nebraska
nv: nv, nevada
nh: nh, new hampshire
nj: nj, new jersey
nm: nm, new mexico
ny: ny, new york
nc: nc, north carolina
nd: nd, north dakota
oh: oh, ohio
ok: ok, oklahoma
or: or, oregon
pa: pa, pennsylvania
ri: ri, rhode island
sc: sc, south carolina
sd: sd, south dakota
tn: tn, tennessee
tx: tx, texas
ut: ut, utah
vt: vt, vermont
va: va, virginia
wv: wv, west virginia
wi: wi, wisconsin
wy: wy, wyoming
dc: dc, d c, district of columbia
pr: pr, puerto rico
""")
_CANADA = _table("""
on: on, ontario
qc: qc, quebec
bc: bc, british columbia
ab: ab, alberta
mb: mb, manitoba
sk: sk, saskatchewan
ns: ns, nova scotia
nb: nb, new brunswick
nl: nl, newfoundland, newfoundland and labrador
pe: pe, prince edward island
""")
PROVINCES = listed(
    "北京 天津 上海 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州"
    " 云南 陕西 甘肃 青海 内蒙古 广西 西藏 宁夏 新疆 香港 澳门 台湾"
)
"""The provinces of China, its municipalities and regions, without 省, 市, 自治区."""
MUNICIPALITIES = frozenset(("北京", "天津", "上海", "重庆", "香港", "澳门"))

REGIONS: Mapping[str, str] = _US | _CANADA | _AU
"""A folded name of a state or province -> its one spelling."""
AUSTRALIAN = frozenset(("nsw", "vic", "qld", "tas", "act"))
"""States that tell the country."""

STREETS: Mapping[str, str] = _table("""
st: st, str, street, saint, jie, strasse
rd: rd, road, lu
ave: ave, av, avenue, dadao
ln: ln, lane, xiang
dr: dr, drive, drv
pl: pl, place
ct: ct, court, crt
cres: cres, cr, crescent, crst
cct: cct, circuit
cl: cl, close
blvd: blvd, boulevard, bvd, bd
hwy: hwy, highway, gonglu
pde: pde, parade
sq: sq, square
tce: tce, terrace, ter, terr
way: way, wy
gr: gr, grove, gve
gdns: gdns, gardens, gdn
cir: cir, circle, circ
pkwy: pkwy, parkway, pky
trl: trl, trail
aly: aly, alley, ally
walk: walk, wlk
mews: mews, mws
row: row
loop: loop
bend: bend
rise: rise
quay: quay
view: view
""")
"""A word for a kind of street -> its one spelling; pinyin words are those of Chinese addresses."""
GLUED = (
    "street",
    "avenue",
    "place",
    "crescent",
    "circuit",
    "terrace",
    "drive",
    "court",
    "close",
    "parade",
    "strasse",
    "str",
    "road",
)
"""Kinds of streets that are sometimes written onto the name of the street."""
DIRECTIONS: Mapping[str, str] = _table("""
north: n, north, bei, 北
south: s, south, nan, 南
east: e, east, dong, 东
west: w, west, xi, 西
middle: middle, mid, zhong, central, 中
""")
"""A direction that is part of a street's name."""
UNITS = frozenset(
    listed(
        "unit apt apartment flat suite ste room rm floor fl level lvl lot shop office villa building bldg block blk"
        " tower no number nr hse house"
    )
)
"""Words before the number of a part of a house."""
