"""Chinese family names: the single ones, those of two characters, and those that are read in a way of their own."""

from __future__ import annotations

from services.identity.matching.normalise.pinyin import romanised
from services.identity.matching.normalise.tables import listed

SINGLE = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳"
    "酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞"
    "熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓"
    "郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀羊惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁"
    "仇栾暴甘厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲邰从鄂索咸籍赖卓蔺屠蒙池乔阴胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦"
    "雍璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧殳沃利"
    "蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾毋沙乜养鞠须丰巢关蒯相查后荆红游竺权逯盖益桓公晋楚闫法汝鄢涂钦岳帅缑亢况有琴"
    "商牟佘佟付肖邸代覃仝苑苟候朴迟展兰栗初尉信门原戢粟鹿矫宛郐战官冼邝麦区佀税雒斯信卿植门闭英撒隋但令"
)
"""The family names of one character that are in use, simplified."""

COMPOUND = frozenset(
    listed(
        "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 夏侯 轩辕 端木 百里 呼延 南宫 独孤 西门 东郭 "
        "南门 申屠 公羊 公冶 澹台 单于 拓跋 万俟 赫连 闻人 钟离 鲜于 闾丘 司空 司寇 太史 太叔 濮阳 淳于 仲孙 第五 左丘 "
        "谷梁 段干 巫马 漆雕 乐正 壤驷 公良 夹谷 宰父 颛孙 子车 亓官 完颜 纳兰 叶赫 爱新觉罗"
    )
)
"""The family names of several characters that are in use, simplified."""

_READ = {
    "单": "shan", "仇": "qiu", "解": "xie", "曾": "zeng", "查": "zha", "任": "ren", "区": "ou", "朴": "piao",
    "盖": "ge", "缪": "miao", "翟": "zhai", "员": "yun", "召": "shao", "覃": "qin", "冼": "xian", "洗": "xian",
    "华": "hua", "燕": "yan", "宁": "ning", "那": "na", "曲": "qu", "折": "she", "黑": "he", "种": "chong",
    "乐": "yue", "尉": "wei", "宓": "mi", "隗": "wei", "逄": "pang", "訾": "zi", "厍": "she", "乜": "nie",
    "郗": "chi", "秘": "bi", "繁": "po", "阙": "que", "应": "ying", "葛": "ge", "肖": "xiao", "戏": "xi", "车": "che",
    "尹": "yin", "沈": "shen", "贾": "jia", "万": "wan", "石": "shi", "重": "chong", "术": "zhu", "六": "lu",
    "万俟": "moqi", "尉迟": "yuchi", "长孙": "zhangsun", "澹台": "tantai", "单于": "chanyu", "令狐": "linghu",
    "鲜于": "xianyu", "亓官": "qiguan", "夏侯": "xiahou", "乐正": "yuezheng",
}  # fmt: skip
"""How a character is read as a family name, where that is not its commonest reading, or where it is easily mistaken."""

OTHER_READINGS = {"覃": "tan", "翟": "di", "乐": "le", "缪": "mou", "宓": "fu", "尉": "yu", "郗": "xi", "盖": "gai"}
"""A second reading that bearers of the name use as well."""


def reading(family: str) -> str:
    """A family name in Han characters as a syllable or two."""
    return _READ.get(family) or romanised(family)


ROMANISED = frozenset(reading(name) for name in SINGLE | COMPOUND)
"""The family names as they are written in Latin letters."""
ROMANISED_COMPOUND = frozenset(reading(name) for name in COMPOUND)


def split(characters: str) -> tuple[str, str]:
    """Family and given name of a whole name in Han characters: ("欧阳", "修"), ("张", "伟").

    A whole name starts with the family name; of a single character nobody can tell which of the two it is.
    """
    if len(characters) < 2:
        return "", ""
    for length in (4, 2):
        if len(characters) > length and characters[:length] in COMPOUND:
            return characters[:length], characters[length:]
    return characters[:1], characters[1:]
