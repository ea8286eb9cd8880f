"""What stands in names of companies beside the name: legal forms, lines of business, branches. Visible tables."""

from __future__ import annotations

from collections.abc import Mapping

from services.identity.matching.normalise.tables import listed

HAN_FORMS: tuple[tuple[str, str], ...] = (
    ("股份有限公司", "plc"), ("有限责任公司", "ltd"), ("股份公司", "plc"), ("有限公司", "ltd"), ("集团公司", "group"),
    ("总公司", "co"), ("公司", "co"), ("普通合伙企业", "lp"), ("有限合伙企业", "lp"), ("合伙企业", "lp"),
    ("个体工商户", "sole"), ("事务所", "firm"), ("合作社", "coop"), ("株式会社", "kk"), ("有限会社", "yk"),
)  # fmt: skip
"""Chinese legal forms, longest first -> their one spelling."""
FORMS: Mapping[str, str] = {
    "ltd": "ltd", "limited": "ltd", "pty ltd": "ltd", "pty limited": "ltd", "private limited": "ltd", "pvt ltd": "ltd",
    "pte ltd": "ltd", "co ltd": "ltd", "co limited": "ltd", "company limited": "ltd", "llc": "llc", "l l c": "llc",
    "inc": "inc", "incorporated": "inc", "corp": "inc", "corporation": "inc", "co": "co", "company": "co",
    "plc": "plc", "gmbh": "gmbh", "gmbh co kg": "kg", "gmbh and co kg": "kg", "kg": "kg", "ag": "ag", "ug": "gmbh",
    "ohg": "ohg", "gbr": "gbr", "e v": "ev", "ev": "ev", "mbh": "gmbh", "se": "se", "sa": "sa", "s a": "sa",
    "sas": "sas", "s a s": "sas", "sarl": "sarl", "s a r l": "sarl", "eurl": "sarl", "bv": "bv", "b v": "bv",
    "nv": "nv", "n v": "nv", "ab": "ab", "as": "as", "a s": "as", "aps": "aps", "oy": "oy", "oyj": "oy", "spa": "spa",
    "s p a": "spa", "srl": "srl", "s r l": "srl", "sl": "sl", "s l": "sl", "lda": "lda", "ltda": "ltda",
    "sp z o o": "spzoo", "sp zoo": "spzoo", "kft": "kft", "doo": "doo", "d o o": "doo", "ooo": "ooo", "oao": "oao",
    "zao": "zao", "pao": "pao", "ao": "ao", "llp": "llp", "lp": "lp", "kk": "kk", "k k": "kk", "bhd": "ltd",
    "sdn bhd": "ltd", "pty": "ltd", "youxian gongsi": "ltd", "gufen youxian gongsi": "plc", "youxiangongsi": "ltd",
    "youxian zeren gongsi": "ltd", "gongsi": "co", "jituan gongsi": "group", "aktiengesellschaft": "ag",
    "gesellschaft mit beschrankter haftung": "gmbh", "kommanditgesellschaft": "kg", "societe anonyme": "sa",
    "sociedad anonima": "sa", "sociedad limitada": "sl", "societa per azioni": "spa", "aktiebolag": "ab",
    "naamloze vennootschap": "nv", "besloten vennootschap": "bv",
}  # fmt: skip
"""Legal forms as their words are written at the end of a name -> their one spelling."""
INDUSTRIES: Mapping[str, str] = {
    "科技": "technology", "技术": "technology", "信息": "information", "网络": "network", "软件": "software",
    "数据": "data", "电子": "electronics", "电器": "electric", "电气": "electric", "贸易": "trading", "商贸": "trading",
    "进出口": "import export", "国际": "international", "实业": "industrial", "工业": "industrial", "集团": "group",
    "控股": "holding", "投资": "investment", "银行": "bank", "保险": "insurance", "证券": "securities",
    "基金": "fund", "医药": "pharmaceutical", "制药": "pharmaceutical", "生物": "biotech", "医疗": "medical",
    "食品": "food", "餐饮": "catering", "酒店": "hotel", "宾馆": "hotel", "服饰": "clothing", "服装": "clothing",
    "纺织": "textile", "物流": "logistics", "运输": "transport", "汽车": "auto", "机械": "machinery",
    "设备": "equipment",
    "化工": "chemical", "材料": "materials", "钢铁": "steel", "建筑": "construction", "建设": "construction",
    "工程": "engineering", "房地产": "realestate", "置业": "realestate", "物业": "property", "文化": "culture",
    "传媒": "media", "广告": "advertising", "教育": "education", "咨询": "consulting", "管理": "management",
    "服务": "service", "能源": "energy", "环保": "environment", "农业": "agriculture", "家具": "furniture",
    "印刷": "printing", "旅游": "travel", "律师": "law", "会计师": "accounting",
}  # fmt: skip
"""Lines of business in Chinese names -> the English word that the same company has in its other name."""
INDUSTRY_WORDS: Mapping[str, str] = {
    "technologies": "technology", "tech": "technology", "keji": "technology", "jishu": "technology",
    "trade": "trading", "maoyi": "trading", "shangmao": "trading", "jituan": "group", "grp": "group",
    "holdings": "holding", "industries": "industrial", "industry": "industrial", "shiye": "industrial",
    "foods": "food", "shipin": "food", "electronic": "electronics", "dianzi": "electronics", "xinxi": "information",
    "wangluo": "network", "networks": "network", "ruanjian": "software", "yinhang": "bank", "touzi": "investment",
    "investments": "investment", "guoji": "international", "intl": "international", "int": "international",
    "wuliu": "logistics", "services": "service", "svcs": "service", "svc": "service", "mgmt": "management",
    "pharma": "pharmaceutical", "pharmaceuticals": "pharmaceutical", "yiyao": "pharmaceutical", "automotive": "auto",
    "automobile": "auto", "qiche": "auto", "chemicals": "chemical", "huagong": "chemical", "mfg": "manufacturing",
    "bros": "brothers", "assoc": "associates", "dept": "department", "univ": "university", "hotels": "hotel",
    "engineers": "engineering", "solution": "solutions", "systems": "system", "consultants": "consulting",
    "consultancy": "consulting", "equipments": "equipment", "clothes": "clothing", "garment": "clothing",
    "garments": "clothing", "apparel": "clothing", "textiles": "textile", "and": "", "the": "", "of": "", "et": "",
    "und": "", "y": "",
}  # fmt: skip
"""Words of Latin names of companies -> their one spelling; "" for words that are left out."""
HAN_BRANCHES = ("分公司", "分行", "支行", "办事处", "营业部", "分店", "门市部", "分部", "子公司", "代表处", "门店")
BRANCHES = frozenset(
    listed(
        "branch subsidiary office outlet store shop plant site depot division fengongsi filiale zweigniederlassung"
        " niederlassung zweigstelle succursale sucursal"
    )
)
"""Words that mark a branch."""
BRANCHES_BEFORE = frozenset(listed("filiale zweigniederlassung niederlassung zweigstelle succursale sucursal"))
"""Those that stand before the name of their place."""
PLACES = frozenset(
    listed(
        "beijing shanghai tianjin chongqing guangzhou shenzhen hangzhou nanjing suzhou chengdu wuhan xian qingdao"
        " dalian ningbo xiamen dongguan foshan wuxi changsha zhengzhou jinan hefei fuzhou kunming harbin shenyang hebei"
        " shanxi liaoning jilin heilongjiang jiangsu zhejiang anhui fujian jiangxi shandong henan hubei hunan guangdong"
        " hainan sichuan guizhou yunnan shaanxi gansu qinghai guangxi ningxia xinjiang china hongkong taiwan macau"
    )
)
"""Places that stand in brackets or first in the Latin name of a Chinese company."""
HAN_CITIES = listed(
    "广州 深圳 杭州 南京 苏州 成都 武汉 西安 青岛 大连 宁波 厦门 东莞 佛山 无锡 长沙 郑州 济南 合肥 福州 昆明 "
    "哈尔滨 沈阳 长春 石家庄 太原 南昌 南宁 贵阳 兰州 海口 呼和浩特 乌鲁木齐 银川 西宁 拉萨"
    " 温州 常州 珠海 中山 惠州 烟台 潍坊"
    " 徐州 南通 嘉兴 绍兴 金华"
    " 台州 泉州 中国"
)
"""Cities that stand first in the Chinese name of a company, beside the provinces."""
ORGANISATIONS = frozenset(
    listed(
        "bank university hospital school college institute association foundation society church council ministry"
        " department restaurant hotel group holding holdings trust club union federation"
    )
)
"""Words that make a name that of an organisation, beside the legal forms."""
HAN_ORGANISATIONS = listed(
    "公司 集团 银行 医院 大学 学院 中学 小学 协会 学会 基金会 委员会 事务所 合作社 研究院"
    " 研究所 中心 工厂 厂 店 酒店 饭店 商行 企业 社团 局"
)
